"""Learn what is normal from a twin's own past, in a bounded child process.

`history` reads rows of one length from a running twin or an export, `periods` leaves out what was not normal,
`learn` fits and measures, `job` is the child, `run` its parent. The outcome is a folder of ONNX files and
`training.json`, which `aid4 model pack` signs.
"""
