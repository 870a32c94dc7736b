"""Questions at the end of a lesson, and predictions of a cell's output.

``%quiz`` shows the questions of a lesson; ``%%predict NAME`` covers the output of a cell until the
learner has chosen. bank.py reads both from questions/, one file per lesson.
"""
