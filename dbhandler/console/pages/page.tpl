<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{{title}} – dbhandler</title>
<link rel="icon" href="/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/style.css?{{version}}">
<script src="/page.js?{{version}}" defer></script>
% if live:
<noscript><meta http-equiv="refresh" content="5"></noscript>
% end
% if refresh:
<meta http-equiv="refresh" content="1">
% end
</head>
<body>
<a class="skip" href="#main">To the content</a>
<header>
<p class="brand"><a href="/">dbhandler</a></p>
<nav aria-label="Pages">
<ul>
% for address, name in (("/", "Cluster"), ("/history", "Over time"), ("/do", "Do")):
<li><a href="{{address}}"{{!' aria-current="page"' if here == address else ""}}>{{name}}</a></li>
% end
</ul>
</nav>
% if user:
<form class="who" method="post" action="/logout"><input type="hidden" name="token" value="{{token}}"><span>{{user}}</span>
% if token:
<button>Log out</button>
% end
</form>
% end
</header>
<main id="main">
<h1>{{title}}</h1>
% if live:
<p id="link" class="link" role="status"></p>
<div id="live" class="grid" data-live="{{live}}">
{{!main}}
</div>
% else:
{{!main}}
% end
</main>
<footer><p>dbhandler-console {{version}}. Times are UTC.</p></footer>
</body>
</html>
