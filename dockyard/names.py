"""What the course calls its marks on objects and requests.

Apart from labels.py, so that the front door need not load the SDK to know them.
"""

COURSE = "dockyard.course"
"""The label of everything made through the front door; its value is 1."""

LESSON = "dockyard.lesson"
"""The label that says which lesson made an object."""

CHECK = "dockyard.check"
"""The label of a container that a lab's check makes for a moment, to look into an image."""

LESSON_HEADER = "X-Dockyard-Lesson"
"""The HTTP header in which a lesson's clients name it."""
