# The operator: one static binary. From the root of the repository:
#
#   docker build -f images/operator.Dockerfile -t REGISTRY/transcode-operator/operator:TAG .
#
# hack/images.sh builds the last stage from the same parts without a registry.
ARG RUST=1.95.0

FROM rust:${RUST}-trixie AS build
ARG RUST
ENV RUSTUP_TOOLCHAIN=${RUST}
RUN apt-get update \
 && apt-get install -y --no-install-recommends musl-tools \
 && rustup target add "$(uname -m)-unknown-linux-musl"
WORKDIR /source
COPY . .
RUN cargo build --locked --profile image -p transcode-operator --target "$(uname -m)-unknown-linux-musl" \
 && cp "target/$(uname -m)-unknown-linux-musl/image/transcode-operator" /

# It trusts the certificate of its service account, and calls nobody but the API server.
FROM scratch
LABEL org.opencontainers.image.title="transcode-operator" \
      org.opencontainers.image.description="Kubernetes operator that transcodes video with ffmpeg in Jobs" \
      org.opencontainers.image.licenses="Apache-2.0"
USER 65532:65532
ENTRYPOINT ["/transcode-operator"]
COPY --from=build /transcode-operator /transcode-operator
