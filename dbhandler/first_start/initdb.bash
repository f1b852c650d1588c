# Sourced before each init script that is sourced itself: what such scripts of the official images may call.
# dbhandler-entrypoint sets DBHANDLER_CLIENT, the client's name, and DBHANDLER_CLIENT_FILE, its options with the log-in.
set -eo pipefail
shopt -s nullglob

docker_process_sql() {
	if [ "$1" = --dont-use-mysql-root-password ]; then shift; fi
	"$DBHANDLER_CLIENT" --defaults-extra-file="$DBHANDLER_CLIENT_FILE" --comments \
		${MYSQL_DATABASE:+"--database=$MYSQL_DATABASE"} "$@"
}

_dbhandler_line() {
	printf '%s [%s] [Entrypoint]: %s\n' "$(date -u '+%Y-%m-%d %H:%M:%S+00:00')" "$1" "$2"
}
mysql_note() { _dbhandler_line Note "$*"; }
mysql_warn() { _dbhandler_line Warn "$*" >&2; }
mysql_error() { _dbhandler_line ERROR "$*" >&2; exit 1; }
