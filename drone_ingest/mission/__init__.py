"""Missions over a model: where pictures show what is asked, how to fly there safely, and files for autopilots."""
