"""Where a model is on Earth: one frame per site, from what the file states, what the site says, or control points.

| file | what |
|---|---|
| `settings` | the tables [georeference] and [calibration] of a site |
| `reference_system` | a CRS by the name that a file gives it; vertical datums |
| `transformation` | the one named operation between that CRS and WGS 84, never a ballpark one |
| `placing` | the linear map from model to map, and whether the model is drawn in map coordinates already |
| `frame` | SiteFrame: model ↔ projected ↔ WGS 84, in arrays |
| `calibration`, `control_points` | a frame from measured points, with residuals |

Importing this loads no pyproj.
"""
