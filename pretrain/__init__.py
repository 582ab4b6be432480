"""How `mini` was trained: a DVC project of its own, whose stages run from this folder."""
