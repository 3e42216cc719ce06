# Writes ca.pem and a folder for each server into /tls, unless they are there, and ca.pem into /host.
set -eu
umask 022
# What a program says is heard when it fails.
quietly() { "$@" 2>/tmp/why || { cat /tmp/why && exit 1; }; }
new() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 "$@"; }
if ! openssl x509 -in /tls/ca.pem -noout -checkend 86400 >/dev/null 2>&1; then
    cd "$(mktemp -d)"
    quietly new -x509 -days 825 -subj '/CN=Bulkhead development CA' -keyout ca.key -out ca.pem
    for server in postgres redis rabbitmq s3; do
        quietly new -subj "/CN=bulkhead $server" -keyout key.pem -out request.pem
        cat >extensions <<END
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:$server, DNS:localhost, IP:127.0.0.1, IP:::1
END
        quietly openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 825 -sha256 \
            -extfile extensions -out cert.pem
        mkdir -p "/tls/$server"
        # The numbers of the servers' users are their images' own; nobody else comes into the volume.
        install -m 644 cert.pem key.pem "/tls/$server/"
    done
    # MinIO looks for these names.
    mv /tls/s3/cert.pem /tls/s3/public.crt
    mv /tls/s3/key.pem /tls/s3/private.key
    # PostgreSQL takes a key that is its own alone.
    chown postgres /tls/postgres/key.pem
    chmod 600 /tls/postgres/key.pem
    openssl rand -hex 24 >/tls/postgres/password
    chmod 600 /tls/postgres/password
    install -m 644 ca.pem /tls/ca.pem
fi
install -m 644 /tls/ca.pem /host/ca.pem
chown --reference=/host /host/ca.pem
