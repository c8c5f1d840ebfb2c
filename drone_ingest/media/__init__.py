"""Photos: where a camera stood and looked, from EXIF and XMP. The picture itself is not decoded."""
