"""What the course calls its marks on objects and requests.

Apart from labels.py, so that the front door need not load the SDK to know them.
"""

COURSE = "dockyard.course"
"""The label of everything made through the front door; its value is 1."""

LESSON = "dockyard.lesson"
"""The label that says which lesson made an object."""

HOME = "dockyard.home"
"""The label of what this home's front door made: the home's token, a point, a random number.

An image gives its labels to its containers, whoever makes them. The number tells a label that
was given by the front door from one that came with the image.
"""

REGISTRY = "dockyard.registry"
"""The label of a course registry that runs in a container, and of its volume."""

CHECK = "dockyard.check"
"""The label of a container that a lab's check makes for a moment, to look into an image."""

LESSON_HEADER = "X-Dockyard-Lesson"
"""The HTTP header in which a lesson's clients name it."""

UNTRACED_HEADER = "X-Dockyard-Untraced"
"""The HTTP header of requests of the course's own, which ``%%trace`` leaves out."""
