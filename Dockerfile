# One image for everything; the role is the command:
#   (none)                        the whole sink in one container, with a Redis of its own under /data
#   ingest | batcher | uploader   one service, with the Redis of the configuration
#   check                         says what the configuration means, and tries Redis and the bucket
#   verify, uploads               tools beside a sink that runs elsewhere: see --help
#
# Needs no BuildKit. Behind a registry of your own: --build-arg NODE_IMAGE=… and a .npmrc beside this file.
ARG NODE_IMAGE=node:24-bookworm-slim

# Only the manifests, so that a change of the sources does not install everything anew.
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
# Install scripts are not needed for bundling, and what does not run cannot do harm.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
RUN node tools/build.mjs

FROM $NODE_IMAGE
# tini is process 1: it hands signals on also before Node listens for them, collects orphans (redis-server forks when it
# rewrites its file), and needs no --init of whoever starts the container. It signals the sink only: the sink stops its
# parts in order.
RUN apt-get update \
 && apt-get install -y --no-install-recommends redis-server tini \
 && rm -rf /var/lib/apt/lists/* /etc/redis /var/log/redis \
 && mkdir /data && chown 1000:1000 /data
WORKDIR /app
COPY --from=build /build/dist ./
COPY LICENSE ./
ENV NODE_ENV=production SINK_DATA_DIR=/data
# The user "node" of the base image, as a number, so that Kubernetes can see that it is not root.
USER 1000:1000
VOLUME /data
EXPOSE 8080 9101 9102 9103
STOPSIGNAL SIGTERM
# Ready, not merely alive: of the role that runs, on the ports of its configuration.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["node", "/app/healthcheck.js"]
ENTRYPOINT ["/usr/bin/tini", "--", "node", "/app/sink.js"]
LABEL org.opencontainers.image.title="sink-aws-s3" \
      org.opencontainers.image.description="CloudEvents over HTTP into objects in Amazon S3, each event exactly once" \
      org.opencontainers.image.licenses="Apache-2.0"
