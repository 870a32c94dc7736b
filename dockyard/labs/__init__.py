"""Labs: tasks whose checks look at the daemon, never at the text that was typed."""
