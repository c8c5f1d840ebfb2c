"""Commissioning: points verified one by one on site, lists of points that go out and come in, labels for devices."""

from twin.commissioning.book import CommissioningBook, NewVerification, Verification

__all__ = ["CommissioningBook", "NewVerification", "Verification"]
