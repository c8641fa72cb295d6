# One image for all services; the command selects the service:
#   (none)                        the whole sink in one container, with its own Redis below /data
#   ingest | batcher | uploader   one service, with the Redis of the configuration
#   check                         explains the configuration, and tests Redis and the bucket
#   verify, uploads               tools for a sink that runs elsewhere: see --help
#
# Needs no BuildKit. To use your own registries, pass --build-arg NODE_IMAGE=… and put a .npmrc beside this file.
ARG NODE_IMAGE=node:24-bookworm-slim

# Only the package manifests, so that a change of the sources does not install everything again.
FROM $NODE_IMAGE AS manifests
WORKDIR /from
COPY . .
RUN mkdir /manifests \
 && find . -name package.json -not -path '*/node_modules/*' -exec cp --parents {} /manifests/ \; \
 && cp package-lock.json /manifests/ \
 && if [ -f .npmrc ]; then cp .npmrc /manifests/; fi

FROM $NODE_IMAGE AS build
WORKDIR /build
COPY --from=manifests /manifests ./
# Bundling needs no install scripts, and a script that does not run can do no harm.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
RUN node tools/build.mjs

# What the sink runs, and nothing else: no npm, no package manager. BusyBox is the shell that waits to stop Redis, and the
# tools for a look inside. flock takes the lock of data_dir.
FROM $NODE_IMAGE AS system
RUN apt-get update && apt-get install -y --no-install-recommends redis-server tini busybox-static ca-certificates
COPY tools/image-root.sh /
RUN /image-root.sh /root-of-image \
 /bin/busybox /usr/bin/flock /usr/bin/tini /usr/bin/redis-server /usr/local/bin/node

FROM scratch
COPY --from=system /root-of-image /
ENV PATH=/usr/local/bin:/usr/bin:/bin HOME=/home/node
WORKDIR /app
COPY --from=build /build/dist ./
COPY LICENSE ./
ENV NODE_ENV=production SINK_DATA_DIR=/data MALLOC_ARENA_MAX=2
# The user "node". It is a number so that Kubernetes can see that it is not root.
USER 1000:1000
VOLUME /data
EXPOSE 8080 9101 9102 9103
STOPSIGNAL SIGTERM
# Asks for readiness, not only for liveness, of the service that runs, on the ports of its configuration.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["node", "/app/healthcheck.js"]
# tini is process 1: it forwards signals even before Node listens for them, and reaps orphans (redis-server forks when it
# rewrites its file), so that --init is not needed. It signals only the sink, which stops its parts in order. Node's
# arguments are those of the supervisor, which needs little memory; a single service replaces it and has its own.
ENTRYPOINT ["/usr/bin/tini", "--", "node", "--max-semi-space-size=1", "--expose-gc", "/app/sink.js"]
LABEL org.opencontainers.image.title="sink-aws-s3" \
      org.opencontainers.image.description="Stores CloudEvents from HTTP in objects in Amazon S3, each event exactly once" \
      org.opencontainers.image.licenses="Apache-2.0"
