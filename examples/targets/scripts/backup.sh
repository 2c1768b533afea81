#!/bin/sh
# pinstream: web:redis
exec docker run --rm docker.io/library/redis:7 redis-cli --rdb /backup
