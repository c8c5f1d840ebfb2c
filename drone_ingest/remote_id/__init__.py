"""Remote ID: packet captures, the radio frames in them, the messages of ASTM F3411, and who is lying."""
