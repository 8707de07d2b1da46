"""Wire formats: how one request becomes bytes for a kind of server, and its answer a `Response`."""
