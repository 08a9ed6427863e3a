"""An HTTP server over exports; needs the extra [serve]."""
