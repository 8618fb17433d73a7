-- Tables, indexes, joins and aggregates in memory; :rounds is the number of rows.
create table item(id integer primary key, parent integer, name text, price integer);
with recursive n(i, x) as (select 1, 12345 union all select i + 1, (x * 1103515245 + 12345) & 0x7fffffff from n where i < :rounds)
insert into item select i, 1 + x % :rounds, printf('item %x', x), x % 1000 from n;
create index item_price on item(price, id);
select count(*), sum(price), min(name), max(name) from item;
select count(*), sum(a.price * b.price) from item a join item b on a.parent = b.id where b.price between 100 and 400;
select price, count(*) as many from item group by price order by many desc, price limit 3;
update item set price = price + 1 where name like '%f%';
select sum(length(name)), sum(price) from (select name, price from item order by name limit :rounds / 2);
