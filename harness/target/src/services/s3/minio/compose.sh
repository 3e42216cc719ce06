# Becomes MinIO, and beside it makes the tenants' buckets, policies and users, at each start: what is there stays.
set -eu
rm -f /tmp/made
printf 'silent\nshow-error\ncacert = /tls/ca.pem\n' >/tmp/plain
{
    cat /tmp/plain
    printf 'aws-sigv4 = "aws:amz:@region@:s3"\nuser = "%s:%s"\nrequest = PUT\n' "$MINIO_ROOT_USER" "$MINIO_ROOT_PASSWORD"
} >/tmp/signed

# put PATH [curl's options]: 409 is what is there already.
put() {
    path=$1
    shift
    code=$(curl --config /tmp/signed --output /tmp/answer --write-out '%{http_code}' "$@" "https://localhost:9000$path")
    case $code in
        2?? | 409) ;;
        *) printf 'PUT %s: %s\n' "$path" "$code" && cat /tmp/answer && return 1 ;;
    esac
}
bucket() {
    put "/$1" --data-binary ''
    put "/$1?versioning=" --data-binary \
        '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'
}
text() { put "$1" --data-binary "$2"; }
bytes() {
    printf %s "$2" | base64 -d >/tmp/body
    put "$1" --data-binary @/tmp/body
}

slices() {
    try=0
    until curl --config /tmp/plain --fail --output /tmp/answer https://localhost:9000/minio/health/live 2>/tmp/why; do
        try=$((try + 1))
        [ "$try" -lt 240 ] || { cat /tmp/why && return 1; }
        sleep 0.25
    done
@slices@
    touch /tmp/made
}

# Without its slices it is not to go on.
(
    trap '[ -e /tmp/made ] || kill $$' EXIT
    slices
) &
exec minio server --address :9000 --certs-dir /tls/s3 /data
