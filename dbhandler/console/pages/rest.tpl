<section id="rest" class="wide">
% if sight.left_out:
<p class="state busy">{{sight.left_out}} more servers are not shown.</p>
% end
% if sight.doors:
<h2>Proxies</h2>
<ul class="row">
% for door in sight.doors:
<li class="card {{"good" if door.version else "bad"}}"><h3>{{door.address}}</h3>
<p class="state {{"good" if door.version else "bad"}}"><span aria-hidden="true">{{"●" if door.version else "▲"}}</span>
{{"leads to a server" if door.version else "leads nowhere"}}</p>
<p>{{door.version or door.trouble}}</p></li>
% end
</ul>
% end
% if sight.backups or sight.recoverable.rows:
<h2>Backups</h2>
<ul class="row">
% for backup in sight.backups:
<li class="card {{look(backup.state) if backup.believed else "bad"}}"><h3>{{backup.node}}</h3>
<p class="state {{look(backup.state) if backup.believed else "bad"}}"><span aria-hidden="true">{{sign(backup.state) if backup.believed else "▲"}}</span> {{backup.state if backup.believed else "cannot prove to be of the pool"}}</p></li>
% end
</ul>
% if sight.recoverable.rows:
<div class="scroll" tabindex="0" role="region" aria-label="How far the backups go">
<table>
<thead><tr><th scope="col">Server or cluster</th><th scope="col">How far its backup goes</th><th scope="col">Trouble</th></tr></thead>
<tbody>
% for row in sight.recoverable.rows:
<tr><th scope="row">{{row.name}}</th><td>{{recoverable(row.state)}}</td><td>{{row.state.trouble if row.state and row.state.trouble else "–"}}</td></tr>
% end
</tbody>
</table>
</div>
% if sight.recoverable.more:
<p>And {{sight.recoverable.more}} more that are no worse.</p>
% end
% end
% end
% if sight.others:
<details id="others"><summary>{{count(len(sight.others) + sight.more_others, "other member")}}</summary>
<ul class="names">
% for name in sight.others:
<li>{{name}}</li>
% end
</ul>
% if sight.more_others:
<p>and {{sight.more_others}} more</p>
% end
</details>
% end
</section>
