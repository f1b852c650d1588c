% status = server.status
<article id="{{key("s", server.node)}}" class="card {{look(server.state)}}">
<h3><a id="{{key("a", server.node)}}" href="{{server_url(server.node)}}">{{server.node}}</a></h3>
<p class="state {{look(server.state)}}"><span aria-hidden="true">{{sign(server.state)}}</span> {{server.state}}\\
% if server.mode:
, {{server.mode}}\\
% end
</p>
% if status:
<p>{{" ".join(filter(None, (status.engine, release(status.version))))}}\\
% if status.databases is not None:
 · {{count(status.databases, "database")}}\\
% end
% if status.spool:
 · {{count(status.spool, "event")}} waiting\\
% end
</p>
% end
% if server.address:
<p class="quiet">{{server.address}}</p>
% end
% if not server.believed:
<p>It cannot prove to be of the pool.</p>
% end
% if status and status.over_quota:
<p class="state bad">{{count(status.over_quota, "database")}} over quota</p>
% end
% if status and status.last_error and not server.is_well and server.believed:
<p class="said">{{status.last_error}}</p>
% end
% if server.backup:
<p class="quiet">{{recoverable(server.backup)}}</p>
% end
</article>
