"""What a training will need of memory, time and disk, told before it starts.

`shapes` and `memory` reckon from the model's shape and need no torch; `steps` measures a few steps of a throw-away
copy; `estimate` makes a forecast of either.
"""
