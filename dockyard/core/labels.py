"""Names of the labels and HTTP headers that the course puts on objects and requests.

Constants only, so that the front door can import them without loading the Docker SDK.
"""

COURSE = "dockyard.course"
"""Label of everything created through the front door; its value is 1."""

LESSON = "dockyard.lesson"
"""Label with the name of the lesson that created an object."""

HOME = "dockyard.home"
"""Label of everything created through this home's front door: its mark (home_mark.py)."""

REMOVES_ITSELF = "dockyard.rm"
"""Label of a container that was made with ``--rm``; its value is that of HOME.

Events carry labels, so it shows afterwards why a container is gone. An inherited one has another
value than HOME.
"""

REGISTRY = "dockyard.registry"
"""Label of a course registry that runs in a container, and of its volume."""

CHECK = "dockyard.check"
"""Label of the short-lived container with which a lab's check looks into an image."""

LESSON_HEADER = "X-Dockyard-Lesson"
"""HTTP header with which a lesson's clients send the lesson's name."""

UNTRACED_HEADER = "X-Dockyard-Untraced"
"""HTTP header of the course's own requests, which ``%%trace`` does not show."""
