"""Views that wait and tell how they were asked, behind the real server."""
