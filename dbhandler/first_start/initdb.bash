# Sourced before each init script that is sourced itself: what such scripts of the official images may call.
# dbhandler-entrypoint sets DBHANDLER_CLIENT, the client's name, DBHANDLER_CLIENT_FILE, its options with the log-in, and
# DATADIR and SOCKET, the server's.
set -eo pipefail
shopt -s nullglob

docker_process_sql() {
	if [ "$1" = --dont-use-mysql-root-password ]; then shift; fi
	"$DBHANDLER_CLIENT" --defaults-extra-file="$DBHANDLER_CLIENT_FILE" --comments \
		${MYSQL_DATABASE:+"--database=$MYSQL_DATABASE"} "$@"
}
# Old scripts pipe into "${mysql[@]}".
# shellcheck disable=SC2034
mysql=(docker_process_sql)

docker_sql_escape_string_literal() {
	local escaped=${1//\\/\\\\}
	escaped=${escaped//$'\n'/\\n}
	printf '%s\n' "${escaped//\'/\\\'}"
}

mysql_log() {
	local level=$1; shift
	printf '%s [%s] [Entrypoint]: %s\n' "$(date -u '+%Y-%m-%d %H:%M:%S+00:00')" "$level" "$*"
}
mysql_note() { mysql_log Note "$@"; }
mysql_warn() { mysql_log Warn "$@" >&2; }
mysql_error() { mysql_log ERROR "$@" >&2; exit 1; }
