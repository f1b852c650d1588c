<section id="{{id}}" class="wide sentences {{kind}}"{{!"" if sentences else " hidden"}}>
<h2>{{title}}</h2>
<ul>
% for sentence in sentences:
<li>{{sentence}}</li>
% end
</ul>
</section>
