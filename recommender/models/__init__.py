"""Ways to score items for users, behind one seam (`base`) and by name (`registry`)."""
