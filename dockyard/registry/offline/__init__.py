"""Making the course's images from Debian packages, where Docker Hub does not answer."""
