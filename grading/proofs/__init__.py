"""The grader is graded: wrong and right answers, small changes of the solution, attacks."""
