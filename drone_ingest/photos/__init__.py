"""Photos on the model: where each was taken, what it shows, and what people or a detector marked on it.

| file | |
|---|---|
| `lens` | pixels ↔ directions |
| `pose` | where a camera stood in the model, from EXIF and XMP or a file of cameras |
| `seen` | which elements a photo shows, by casting its pixels against what stands |
| `pick` | one pixel → element and point, without a ray-casting library |
| `defects` | what was marked, anchored to an element and a place, over flights |
| `detector` | an ONNX file that finds boxes on a photo |
| `job` | the child process that looks at many photos |
"""
