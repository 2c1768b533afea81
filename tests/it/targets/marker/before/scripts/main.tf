image = "a.example/b/c:1" // pinstream: redis:7 the cache
