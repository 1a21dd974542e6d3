# The runner: job-runner, ffmpeg and ffprobe. From the root of the repository:
#
#   docker build -f images/runner.Dockerfile -t REGISTRY/transcode-operator/runner:TAG .
#
# hack/images.sh builds the last stage from the same parts without a registry.
ARG RUST=1.95.0

FROM debian:trixie-slim AS base
COPY images/collect.sh /
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ffmpeg ca-certificates \
 && sh /collect.sh /image

FROM rust:${RUST}-trixie AS build
# The compiler of this image; rust-toolchain.toml also asks for tools that a build doesn't need.
ARG RUST
ENV RUSTUP_TOOLCHAIN=${RUST}
WORKDIR /source
COPY . .
RUN cargo build --locked --profile image -p job-runner \
 && cp target/image/job-runner /

FROM scratch
LABEL org.opencontainers.image.title="transcode-operator runner" \
      org.opencontainers.image.description="One task of a transcoding job: job-runner with ffmpeg and ffprobe" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/usr/local/bin:/usr/bin HOME=/tmp
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/job-runner"]
COPY --from=base /image /
COPY --from=build /job-runner /usr/local/bin/job-runner
