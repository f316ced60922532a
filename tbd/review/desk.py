"""What was ``tbd.review.desk.Desk`` before 0.2 is ``tbd.review.session.ReviewSession``: one class under both names."""

from tbd.review.session import ReviewSession as Desk

__all__ = ["Desk"]
