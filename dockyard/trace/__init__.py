"""``%%trace``: the API requests of a cell, as a table, as curl lines and as SDK calls."""
