"""The learner's copy of the notebooks: generated, kept up to date, never overwritten."""
