"""Questions at the end of a lesson, and predictions before a cell's output is seen.

``%quiz`` asks, ``%%predict NAME`` covers an output until the learner has decided. What is asked,
what is wrong about each wrong idea and what settles it on the daemon: bank/, one file a lesson.
"""
