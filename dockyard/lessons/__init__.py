"""What a lesson does besides its page: it sets a scene and gives the learner tasks."""
