<?php
// WordPress's settings, read by Debian's wp-config.php for each request.

// What dbhandler-request was answered. Nobody has written a password anywhere.
define('DB_HOST', getenv('WORDPRESS_DB_HOST') . ':' . getenv('WORDPRESS_DB_PORT'));
define('DB_NAME', getenv('WORDPRESS_DB_NAME'));
define('DB_USER', getenv('WORDPRESS_DB_USER'));
define('DB_PASSWORD', getenv('WORDPRESS_DB_PASSWORD'));
define('DB_CHARSET', 'utf8mb4');
// The certificate by which the server's is verified came with the answer; wordpress-start has told PHP where it is.
if (getenv('WORDPRESS_DB_SSL_CA')) {
    define('MYSQL_CLIENT_FLAGS', MYSQLI_CLIENT_SSL | MYSQLI_CLIENT_SSL_VERIFY_SERVER_CERT);
}
// This site's own keys and salts: wordpress-start has made them.
require '/state/salts.php';

// WordPress sends every visitor to the URL under which it was installed, but the published port changes with every
// start. So the URL is the one asked for, unless the owner names one, as a public site has to: a visitor chooses Host.
$scheme = ($_SERVER['HTTP_X_FORWARDED_PROTO'] ?? '') === 'https' ? 'https' : 'http';
$url = getenv('WORDPRESS_URL') ?: $scheme . '://' . ($_SERVER['HTTP_HOST'] ?? 'localhost');
define('WP_HOME', $url);
define('WP_SITEURL', $url);
// The cookies' name would else follow the URL, and every start would log everybody out.
define('COOKIEHASH', md5(DB_NAME));
define('WPMU_PLUGIN_DIR', '/usr/local/share/wordpress/mu-plugins');
// Apache's user owns wp-content: themes and plugins install without FTP.
define('FS_METHOD', 'direct');
