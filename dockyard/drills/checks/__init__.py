"""The checks of the drills: a module for each lesson's subject, a function for each drill."""
