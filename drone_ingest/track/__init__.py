"""One track out of many files of one flight: times aligned, heights in one datum, poses in WGS 84 and east-north-up."""
