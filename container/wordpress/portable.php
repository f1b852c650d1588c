<?php
/*
Plugin Name: Portable site
Description: Lets a site live behind any published port: its content names no port, and its cron finds itself.
*/

// The editor writes full URLs into posts; images would be gone with the port of the day.
add_filter('content_save_pre', fn ($content) => str_replace(home_url('/'), '/', $content));

// WordPress calls its own cron over HTTP, but inside the container nobody listens at the published port.
add_filter('cron_request', function ($request) {
    $request['args']['headers']['Host'] = parse_url(home_url(), PHP_URL_HOST);
    $request['url'] = str_replace(home_url('/'), 'http://127.0.0.1/', $request['url']);
    return $request;
});
