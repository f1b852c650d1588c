% status = server.status
<section id="state" class="wide facts">
<h2 class="hidden">State</h2>
<p class="state {{look(server.state)}}"><span aria-hidden="true">{{sign(server.state)}}</span> {{server.state}}{{", " + server.mode if server.mode else ""}}</p>
<dl>
% if server.group:
<div><dt>Cluster</dt><dd>{{server.group}}</dd></div>
% end
% if server.address:
<div><dt>Address</dt><dd>{{server.address}}</dd></div>
% end
% if status:
% if status.engine:
<div><dt>Server</dt><dd>{{status.engine}} {{release(status.version)}}</dd></div>
% end
% if status.databases is not None:
<div><dt>Databases</dt><dd>{{status.databases}}</dd></div>
% end
% if status.uptime is not None:
<div><dt>Serves for</dt><dd>{{duration(status.uptime)}}</dd></div>
% end
% if status.spool is not None:
<div><dt>Events that wait</dt><dd>{{status.spool}}</dd></div>
% end
% if status.last_error:
<div><dt>What went wrong last</dt><dd>{{status.last_error}}{{" (" + status.last_error_at + ")" if status.last_error_at else ""}}</dd></div>
% end
% end
<div><dt>Backup</dt><dd>{{recoverable(server.backup)}}</dd></div>
</dl>
<p><a href="/history?{{urlencode({"server": server.node})}}">This server over time</a></p>
</section>
