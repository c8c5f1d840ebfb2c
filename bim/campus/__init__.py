"""A park authored by code: an IFC4X3 model with terrain, roads, buildings, their equipment, sensors and a work plan.

A site is a folder: `layout.toml` says what stands where, `devices.toml` what is live in it, `plan.toml` how it is
built. `author.author_site` turns the three into one file, the same bytes each time.
"""
