"""Counts its visits in a database that it asks for itself: nobody writes an address, an account or a password."""

from http.server import BaseHTTPRequestHandler, HTTPServer

import pymysql

from dbhandler.client import request_database

own = request_database("visits", state_file="/state/database.json", progress=lambda text: print(text, flush=True))


class Visits(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        with pymysql.connect(
            host=own.host, port=own.port, user=own.user, password=own.password, database=own.database, autocommit=True
        ) as connection:
            cursor = connection.cursor()
            cursor.execute("CREATE TABLE IF NOT EXISTS visit (number INT AUTO_INCREMENT PRIMARY KEY)")
            cursor.execute("INSERT INTO visit VALUES ()")
            self.send_response(200)
            self.end_headers()
            self.wfile.write(f"visit {cursor.lastrowid}\n".encode())


HTTPServer(("", 80), Visits).serve_forever()
