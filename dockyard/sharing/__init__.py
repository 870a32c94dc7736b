"""What a learner shares with a teacher, if the learner agrees, and what the teacher sees."""
