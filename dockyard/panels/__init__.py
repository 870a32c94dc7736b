"""Panels in a notebook that tick by themselves while the learner works: of labs and of drills."""
