"""A trained model as a service over HTTP, and a page to try it.

`app.py` has the addresses, `guard.py` what every request must pass, `batching.py` the queue whose
one worker puts the texts of concurrent requests into shared batches, `requests.py` what a body may
hold, `server.py` the process, `page.*` the page.
"""
