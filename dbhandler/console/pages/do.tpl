% if complaint:
<p class="state bad" role="alert">{{complaint}}</p>
% end
% if not reader.may_act:
<p class="said">Here one looks only: something is done by who has logged in (DBHANDLER_CONSOLE_PASSWORD). Each is a command, too:</p>
% end
<div class="do">
% for form in forms:
<section>
% if reader.may_act:
<form method="post" action="/do" autocomplete="off">
<h2>{{form.title}}</h2>
<input type="hidden" name="token" value="{{reader.token}}"><input type="hidden" name="do" value="{{form.name}}">
% for field in form.fields:
<p><label for="{{form.name}}-{{field.name}}">{{field.label}}</label>
<input id="{{form.name}}-{{field.name}}" name="{{field.name}}" maxlength="256"\\
{{!' type="password" autocomplete="off"' if field.is_secret else ' type="text" spellcheck="false" autocapitalize="none"'}}\\
{{!" required" if field.is_required else ""}}{{!' aria-describedby="' + form.name + "-" + field.name + '-hint"' if field.hint else ""}}>
% if field.hint:
<span class="quiet" id="{{form.name}}-{{field.name}}-hint">{{field.hint}}</span>
% end
</p>
% end
<p>{{form.note}}</p>
<p><button>{{form.button}}</button></p>
<p class="quiet">The same by a command:</p>
<pre>{{form.command}}</pre>
</form>
% else:
<h2>{{form.title}}</h2>
<pre>{{form.command}}</pre>
% end
</section>
% end
</div>
