"""A grid as text and as HTML."""

from dockyard.notebook.grid import Grid


def test_a_grid_is_aligned_text_and_a_table_that_marks_what_matters():
    grid = Grid({"open": {"read": "yes", "write": "yes"}, "a < b": {"read": "no"}})
    assert repr(grid) == "       read  write\nopen   yes   yes\na < b  no"
    table = grid._repr_html_()
    assert table.count("font-weight:bold") == 2
    assert "a &lt; b" in table
    assert table.count("<tr>") == 3
