"""The simulated park: a seeded physical campus whose devices are real protocol servers on loopback."""
